import torch

net = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Dropout(0.9), torch.nn.Linear(32, 4)).to(
    torch.bfloat16
)
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)
for _ in range(3):
    loss = net(torch.randn(2, 16).bfloat16()).float().square().mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
