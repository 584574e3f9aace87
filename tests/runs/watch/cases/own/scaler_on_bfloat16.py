import torch

net = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.GELU(), torch.nn.Linear(32, 4)).to(torch.bfloat16)
optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
loss = net(torch.randn(2, 16).bfloat16()).float().square().mean()
scaler.scale(loss).backward()
scaler.step(optimizer)
scaler.update()
