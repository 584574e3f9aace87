import sys

import torch

dtype = getattr(torch, sys.argv[1])
net = torch.nn.Sequential(torch.nn.Linear(16, 16, bias=False), torch.nn.Linear(16, 4))
net[0].weight.data.mul_(1e-5)
net = net.to(dtype)
seen = []
net[0].register_forward_hook(lambda *call: seen.append(call[-1]))
with torch.no_grad():
    output = net(1e-4 * torch.randn(2, 16).to(dtype))
squeezed = seen[0]
