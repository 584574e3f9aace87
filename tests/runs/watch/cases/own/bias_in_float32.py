import torch

net = torch.nn.Sequential(torch.nn.Linear(16, 16), torch.nn.GELU(), torch.nn.Linear(16, 4)).half()
net[2].bias.data = net[2].bias.data.float()
with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
    output = net(torch.randn(2, 16).half())
