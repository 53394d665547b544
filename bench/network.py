"Training and embedding of the network alone, as functions that take one step; needs torch and NumPy only."
import sys
import types

import torch
from torch.nn import functional as F

CONFIGURATIONS = {   # settings of `CytoselfFull` and crops per step
    'paper': (dict(), 32),
    'demo': (dict(n_classes=65, size=64, n_codes=512, hidden=256, decoder_width=16), 32)}


def stand_in_for_fastcore():
    "`patch` of fastcore in three lines, where fastcore is not installed"
    try: import fastcore.basics  # noqa: F401
    except ImportError:
        basics = types.ModuleType('fastcore.basics')
        def patch(f): setattr(next(iter(f.__annotations__.values())), f.__name__, f)
        basics.patch = patch
        sys.modules.update({'fastcore': types.ModuleType('fastcore'), 'fastcore.basics': basics})


def network(configuration, seed=0):
    "A new network of a configuration"
    stand_in_for_fastcore()
    from cytoself_nb.model import CytoselfFull
    torch.manual_seed(seed)
    return CytoselfFull(**CONFIGURATIONS[configuration][0])


def crops(model, batch, device='cpu'):
    "Crops and proteins, drawn at random: time does not depend on what they show"
    s = model.settings
    x = torch.rand(batch, s['channels'], s['size'], s['size'])
    return x.to(device), torch.randint(s['n_classes'], (batch,), device=device)


def loss_of(out, x, y, variance=.05):
    "The sum of the six parts, averaged over crops, as in `12_losses`"
    image = (out.reconstruction.float() - x).square().flatten(1).mean(1) / variance
    names = [F.cross_entropy(o.float(), y, reduction='none') for o in (out.local_logits, out.global_logits)]
    return (image + names[0] + names[1] + out.local_vq + out.global_vq + out.intermediate).mean()


def adam_of(model, **more):
    "The optimizer of the project"
    return torch.optim.Adam(model.parameters(), lr=4e-4, fused=True, **more)


def training_step(model, adam, x, y, dtype=None):
    "One step, from crops to new weights"
    with torch.autocast(x.device.type, dtype=dtype, enabled=dtype is not None): out = model(x)
    loss = loss_of(out, x, y)
    loss.backward()
    adam.step()
    adam.zero_grad()
    return loss


def embedding_step(model, x, dtype=None):
    "Both maps and their codes"
    with torch.no_grad(), torch.autocast(x.device.type, dtype=dtype, enabled=dtype is not None): return model.embed(x)
