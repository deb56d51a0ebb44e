"""The two towers. Image: windows, a small 3D CNN that tells what lies in each cell, pooling of evidence; text: a transformer."""
import torch
import torch.nn as nn
import torch.nn.functional as F

DIM = 192
TOKENS_MAX = 160
PAD, CLS, SEP, MASK = 0, 2, 3, 4
# HU / 1000 at which each channel begins and ends: lung, holes in the lung, soft tissue, narrow soft tissue, bone and contrast.
WINDOWS = [(-1.0, -0.4), (-1.0, -0.85), (-0.16, 0.24), (-0.01, 0.1), (0.1, 1.2)]
# Windows of which the brightest voxel is kept beside the mean: small nodules and vessels, small plaques.
PEAKS = [0, 4]
CHANNELS = len(WINDOWS) + len(PEAKS)
# What each cell is told to hold, bit by bit as bench/phantom-vle/label-bits.ts writes it; findings first.
BITS = ["lung-nodule", "pleural-effusion", "consolidation", "emphysema", "arterial-wall-calcification", "liver-lesion", "renal-cyst",
        "rib-fracture", "intracranial-hemorrhage", "heart", "ventricle", "right lung", "left lung", "liver", "right kidney", "left kidney"]
FINDING_BITS = 9
WIDTH = 48
# Organs that tell where in the body a cell is: the frames of coordinates.
FRAMES = [["right lung", "left lung"], ["liver"]]


def front(volume):
    """
    [batch, 1, 96, 80, 104] in thousands of HU → [batch, 7, 48, 40, 52] in −1 to 1: means, then peaks, of cells of 2³ voxels.
    Nothing here is learned, so that training computes it once a phantom.
    """
    channels = [(volume.clamp(low, high) - low) * (2 / (high - low)) - 1 for low, high in WINDOWS]
    means = F.avg_pool3d(torch.cat(channels, 1), 2)
    peaks = F.max_pool3d(torch.cat([channels[i] for i in PEAKS], 1), 2)
    return torch.cat([means, peaks], 1)


def conv(i, o, kernel, stride=1, padding=0):
    return nn.Sequential(nn.Conv3d(i, o, kernel, stride, padding, bias=False), nn.BatchNorm3d(o))


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.one, self.two = conv(width, width, 3, 1, 1), conv(width, width, 3, 1, 1)

    def forward(self, x):
        return F.relu(x + self.two(F.relu(self.one(x))))


class Backbone(nn.Module):
    """Cells as front gives them, any number of them that 4 divides → features and logits of BITS for each cell of 4³ voxels."""

    def __init__(self, widths=(WIDTH, 96)):
        super().__init__()
        a, b = widths
        self.stem, self.stage1 = conv(CHANNELS, a, 4, 2, 1), Residual(a)
        self.down2, self.stage2 = conv(a, b, 3, 2, 1), Residual(b)
        self.up, self.joined = nn.Conv3d(b, a, 1), conv(a, a, 3, 1, 1)
        self.told = nn.Conv3d(a, len(BITS), 1)

    def forward(self, cells):
        """[batch, 7, z, y, x] → [batch, 48, z/2, y/2, x/2], [batch, 16, z/2, y/2, x/2]"""
        x = self.stage1(F.relu(self.stem(cells)))
        wide = self.up(self.stage2(F.relu(self.down2(x))))
        x = F.relu(x + F.interpolate(wide, scale_factor=2.0, mode="nearest"))
        x = F.relu(x + self.joined(x))
        return x, self.told(x)


def summed(x):
    """[batch, cells, maps] → [batch, 2 × maps]: the sum of evidence and its extent."""
    top = x.amax(1, keepdim=True)
    total = top[:, 0] + (x - top).exp().sum(1).log()
    return torch.cat([total * 0.3, (x.sigmoid().mean(1) + 1e-5).log() * 0.3 + 2], 1)


def gathered(x, logits):
    """
    What the backbone says of cells → the strongest of every 2³ cells [batch, 1560, 48 + 16] and sums of the logits over all cells
    [batch, 32]. Nothing is learned here either.
    """
    return as_cells(F.max_pool3d(torch.cat([x, logits], 1), 2)), summed(as_cells(logits))


class Pool(nn.Module):
    """What is seen of the whole volume: evidence for things with a place, each summed over the body, beside the sums over all cells."""

    def __init__(self, hidden=96, maps=128):
        super().__init__()
        self.narrow = nn.Linear(WIDTH + len(BITS) + 3 + 3 * len(FRAMES), hidden)
        self.maps = nn.Linear(hidden, maps)
        self.seen = 2 * maps + 2 * len(BITS)
        # A heart a fifth larger changes its sum by little: each value is measured by its own spread over the phantoms.
        self.spread = nn.BatchNorm1d(self.seen, momentum=0.03)
        at = torch.stack(torch.meshgrid(*(torch.arange(n) - (n - 1) / 2 for n in (12, 10, 13)), indexing="ij"), -1) / 4
        self.register_buffer("at", at.reshape(1, -1, 3), persistent=False)

    def places(self, logits):
        """[batch, cells, 3 + 3 × frames]: place of each cell in the field and in the frame of each organ."""
        out = [self.at.expand(logits.shape[0], -1, -1)]
        for names in FRAMES:
            weight = sum(logits[..., BITS.index(name)].sigmoid() for name in names).unsqueeze(-1)
            total = weight.sum(1, keepdim=True) + 1
            middle = (weight * self.at).sum(1, keepdim=True) / total
            off = self.at - middle
            spread = ((weight * off * off).sum(1, keepdim=True) / total + 0.05).sqrt()
            out.append((off / spread).clamp(-4, 4))
        return torch.cat(out, -1)

    def forward(self, cells, sums):
        """As gathered gives them → [batch, seen]"""
        logits = cells[..., WIDTH:]
        x = torch.cat([cells[..., :WIDTH], torch.tanh(logits / 6) * 2, self.places(logits)], -1)
        return self.spread(torch.cat([summed(self.maps(F.gelu(self.narrow(x))).float()), sums], 1))


class ImageTower(nn.Module):
    """[batch, 1, 96, 80, 104] in thousands of HU → embedding [batch, DIM], features [batch, 5 × 7] that the guard measures."""

    def __init__(self):
        super().__init__()
        self.backbone, self.pool = Backbone(), Pool()
        self.head = nn.Sequential(nn.Linear(self.pool.seen, 384), nn.GELU(), nn.Linear(384, DIM))

    def forward(self, volume):
        cells = front(volume)
        return self.head(self.pool(*gathered(*self.backbone(cells)))), texture(cells)


def texture(cells):
    """
    Of what front gives: the mean of each channel, and the logarithms of its standard deviation and of how much neighbours differ along
    each axis. Nothing of it is learned: a net trained on phantoms is the last to notice what phantoms never had.
    """
    flat = cells.flatten(2)
    mean = flat.mean(2)
    spread = (flat - mean.unsqueeze(2)).square().mean(2).sqrt()
    steps = [cells[:, :, 1:] - cells[:, :, :-1], cells[:, :, :, 1:] - cells[:, :, :, :-1], cells[..., 1:] - cells[..., :-1]]
    return torch.cat([mean, *(torch.log(one + 1e-4) for one in [spread, *(step.abs().flatten(2).mean(2) for step in steps)])], 1)


def as_cells(x):
    return x.flatten(2).transpose(1, 2)


class TransformerLayer(nn.Module):
    def __init__(self, width, heads, hidden, dropout=0.0):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.drop = nn.Dropout(dropout)

    def forward(self, x, bias):
        """`bias` [batch, 1, 1, tokens] is added to the scores: −1e4 where there is padding."""
        n, t, w = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(n, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) * (w // self.heads) ** -0.5 + bias.to(q.dtype)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, w)
        x = x + self.drop(self.out(mixed))
        return x + self.drop(self.mlp(self.norm2(x)))


class TextTower(nn.Module):
    """ids, mask [batch, tokens] → embedding [batch, DIM]: mean over the tokens."""

    def __init__(self, vocabulary, width=128, layers=3):
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        # The captioner reads words off the same table: unit variance would make its first guesses absurdly sure.
        nn.init.normal_(self.words.weight, std=0.05)
        self.places = nn.Parameter(torch.randn(1, TOKENS_MAX, width) * 0.02)
        self.layers = nn.ModuleList(TransformerLayer(width, 4, 256, 0.1) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, DIM)

    def tokens(self, ids, mask, picture=None):
        """Vector of each token. `picture` [batch, width] takes the place of the first token: the caption objective."""
        x = self.words(ids)
        if picture is not None:
            x = torch.cat([picture.unsqueeze(1), x[:, 1:]], 1)
        x = x + self.places[:, : ids.shape[1]]
        bias = (1 - mask.to(x.dtype)).reshape(mask.shape[0], 1, 1, -1) * -1e4
        for layer in self.layers:
            x = layer(x, bias)
        return self.norm(x)

    def forward(self, ids, mask):
        weight = mask.to(self.places.dtype).unsqueeze(-1)
        x = self.tokens(ids, mask)
        return self.head((x * weight).sum(1) / weight.sum(1))


class Pair(nn.Module):
    """Both towers and what only training needs: scales, the attributes, the captioner's way from a picture to a first token."""

    def __init__(self, vocabulary, attributes):
        super().__init__()
        self.image, self.text = ImageTower(), TextTower(vocabulary)
        self.report_scale = nn.Parameter(torch.tensor(2.3))
        self.statement_scale = nn.Parameter(torch.tensor(2.3))
        self.statement_bias = nn.Parameter(torch.tensor(-2.0))
        self.pair_scale = nn.Parameter(torch.tensor(2.3))
        self.attributes = nn.Linear(self.image.pool.seen, attributes)
        self.to_token = nn.Linear(DIM, self.text.words.embedding_dim)
        self.words_bias = nn.Parameter(torch.zeros(vocabulary))

    def caption_loss(self, picture, ids, mask, rng):
        """Masked words of the report, told from the other words and the picture."""
        hidden = (torch.rand(ids.shape, generator=rng) < 0.4) & (mask > 0) & (ids > MASK)
        shown = torch.where(hidden, torch.full_like(ids, MASK), ids)
        x = self.text.tokens(shown, mask, self.to_token(picture))
        logits = x[hidden] @ self.text.words.weight.T + self.words_bias
        return F.cross_entropy(logits, ids[hidden])
