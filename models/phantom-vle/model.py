"""The two towers. Image: windows, a small 3D CNN over two scales, attention pooling by learned queries; text: a transformer."""
import torch
import torch.nn as nn
import torch.nn.functional as F

DIM = 192
TOKENS_MAX = 160
PAD, CLS, SEP, MASK = 0, 2, 3, 4
# HU / 1000 at which each channel begins and ends: lung, soft tissue, narrow soft tissue, bone and contrast.
WINDOWS = [(-1.0, -0.4), (-0.16, 0.24), (-0.01, 0.1), (0.1, 1.2)]
# Windows of which the brightest voxel is kept beside the mean: small nodules and vessels, small plaques.
PEAKS = [0, 3]


def front(volume):
    """
    [batch, 1, 96, 80, 104] in thousands of HU → [batch, 6, 48, 40, 52] in −1 to 1: means, then peaks, of cells of 2³ voxels.
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


class ImageTower(nn.Module):
    """[batch, 1, 96, 80, 104] in thousands of HU → embedding [batch, DIM], features [batch, 2 × 48] of the first layers."""

    def __init__(self, widths=(48, 96, 128), queries=24):
        super().__init__()
        a, b, c = widths
        self.stem = conv(len(WINDOWS) + len(PEAKS), a, 4, 2, 1)
        self.stage1 = conv(a, a, 3, 1, 1)
        self.down2, self.stage2 = conv(a, b, 3, 2, 1), Residual(b)
        self.down3, self.stage3 = conv(b, c, 3, 2, 1), Residual(c)
        self.place3 = nn.Parameter(torch.randn(1, 6 * 5 * 7, c) * 0.02)
        self.mix = nn.ModuleList(TransformerLayer(c, 4, 256) for _ in range(2))
        self.side2 = nn.Conv3d(b, c, 1)
        self.place2 = nn.Parameter(torch.randn(1, 12 * 10 * 13, c) * 0.02)
        self.joined = nn.LayerNorm(c)
        self.queries = nn.Parameter(torch.randn(4, queries, c // 4) * 0.2)
        self.keys, self.values = nn.Linear(c, c), nn.Linear(c, c)
        self.narrow, self.narrow_blocks = nn.Linear(c, 32), nn.Linear(c, 24)
        self.seen = queries * 32 + 18 * 24
        self.head = nn.Sequential(nn.LayerNorm(self.seen), nn.Linear(self.seen, 256), nn.GELU(), nn.Linear(256, DIM))

    def forward(self, volume):
        seen, features = self.body(front(volume))
        return self.head(seen), features

    def body(self, cells):
        """`cells` as front gives them → what is seen [batch, seen], of which head makes the embedding, and the features."""
        x = F.relu(self.stem(cells))
        flat = x.detach().flatten(2).float()
        features = None if self.training else torch.cat([flat.mean(2), (flat - flat.mean(2, keepdim=True)).square().mean(2).add(1e-8).sqrt()], 1)
        x2 = self.stage2(F.relu(self.down2(F.relu(self.stage1(x)))))
        x3 = self.stage3(F.relu(self.down3(x2)))
        n, c = x3.shape[:2]
        tokens = x3.flatten(2).transpose(1, 2) + self.place3
        for layer in self.mix:
            tokens = layer(tokens, None)
        wide = tokens.transpose(1, 2).reshape(n, c, 6, 1, 5, 1, 7, 1).expand(n, c, 6, 2, 5, 2, 7, 2).reshape(n, c, 12, 10, 14)
        fine = self.side2(x2) + wide[..., :13]
        blocks = F.max_pool3d(F.relu(fine), (4, 5, 5), (4, 5, 4)).flatten(2).transpose(1, 2)
        fine = self.joined(fine.flatten(2).transpose(1, 2) + self.place2)
        k = self.keys(fine).reshape(n, -1, 4, c // 4).permute(0, 2, 3, 1)
        v = self.values(fine).reshape(n, -1, 4, c // 4).permute(0, 2, 1, 3)
        weights = (self.queries.unsqueeze(0) @ k * (c // 4) ** -0.5).softmax(-1)
        pooled = (weights @ v).permute(0, 2, 1, 3).reshape(n, -1, c)
        return torch.cat([self.narrow(pooled).flatten(1), self.narrow_blocks(blocks).flatten(1)], 1), features


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
        scores = q @ k.transpose(-2, -1) * (w // self.heads) ** -0.5
        if bias is not None:
            scores = scores + bias
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
        self.attributes = nn.Sequential(nn.LayerNorm(self.image.seen), nn.Linear(self.image.seen, attributes))
        self.to_token = nn.Linear(DIM, self.text.words.embedding_dim)
        self.words_bias = nn.Parameter(torch.zeros(vocabulary))

    def caption_loss(self, picture, ids, mask, rng):
        """Masked words of the report, told from the other words and the picture."""
        hidden = (torch.rand(ids.shape, generator=rng) < 0.4) & (mask > 0) & (ids > MASK)
        shown = torch.where(hidden, torch.full_like(ids, MASK), ids)
        x = self.text.tokens(shown, mask, self.to_token(picture))
        logits = x[hidden] @ self.text.words.weight.T + self.words_bias
        return F.cross_entropy(logits, ids[hidden])
