import torch
from diffusers import FlowMatchEulerDiscreteScheduler

scheduler = FlowMatchEulerDiscreteScheduler()
timestep = torch.tensor(254.0)  # timesteps[746] is 254.00001525878906
index = scheduler.index_for_timestep(timestep)
