"""Small pictures for pages: SVG in the page's colours, and PNG for what has pixels."""

import struct
import zlib
from base64 import b64encode
from html import escape

import numpy as np

from .plots import shortened

# Ends of a colour scale with white at zero, which colour-blind readers can tell apart.
_NEGATIVE, _POSITIVE = np.array([33, 102, 172]), np.array([190, 88, 6])
# Width and height of a histogram, and pixels of a cell of a heat map.
_WIDTH, _HEIGHT, _CELL = 240, 120, 14


def histogram(shares, width=_WIDTH):
    """Return a histogram, real rows filled and synthetic ones as an outline.

    Parameters
    ----------
    shares : Histogram
    width : int, default=240
    """
    if isinstance(shares.bins, tuple):
        return bars(shares.bins, shares.real, shares.synthetic)
    top = max(shares.real.max(), shares.synthetic.max(), 1e-9)
    x = np.linspace(4, width - 4, len(shares.bins))

    def steps(values):
        y = _HEIGHT - 22 - values / top * (_HEIGHT - 30)
        path = "".join(f"V{b:.1f}H{a:.1f}" for a, b in zip(x[1:], y, strict=True))
        return f"M{x[0]:.1f} {_HEIGHT - 22}{path}V{_HEIGHT - 22}"

    low, high = shares.bins[0], shares.bins[-1]
    labels = ""
    for tick in _ticks(low, high):
        at = 4 + (tick - low) / (high - low) * (width - 8)
        anchor = "start" if at < 20 else "end" if at > width - 20 else "middle"
        labels += (
            f'<path class="tick thin" d="M{at:.1f} {_HEIGHT - 22}v4"/>'
            f'<text x="{at:.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{_number(tick)}</text>'
        )
    return _svg(
        width,
        _HEIGHT,
        f'<path class="real" d="{steps(shares.real)}"/>'
        f'<path class="new" d="{steps(shares.synthetic)}"/>{labels}',
    )


def bars(names, real, synthetic):
    """Return two bars for each name, one below the other, with shares in percent.

    Parameters
    ----------
    names : sequence of str
    real, synthetic : array-like of shape (n_names,)
    """
    most = max(*real, *synthetic, 1e-9)
    parts = []
    for i, pair in enumerate(zip(real, synthetic, strict=True)):
        y, widths = 26 * i, [100 * min(share / most, 1) for share in pair]
        parts.append(
            f'<text x="96" y="{y + 16}" text-anchor="end">{escape(shortened(names[i], 15))}</text>'
            f'<rect class="real" x="102" y="{y + 2}" width="{widths[0]:.1f}" height="9"/>'
            f'<rect class="new" x="102" y="{y + 12}" width="{widths[1]:.1f}" height="8"/>'
            f'<text x="{_WIDTH - 2}" y="{y + 16}" text-anchor="end">'
            f"{100 * pair[1]:.0f} %</text>"
        )
    return _svg(_WIDTH, max(26 * len(names), 26), "".join(parts))


def points(real, synthetic):
    """Return rows in a plane: dots for real ones, crosses for synthetic ones.

    Parameters
    ----------
    real, synthetic : ndarray of shape (n, 2)
    """
    both = np.concatenate([real, synthetic])
    low, span = both.min(axis=0), np.ptp(both, axis=0)
    span[span == 0] = 1
    a, b = ((X - low) / span * [680, -280] + [10, 290] for X in (real, synthetic))
    dots = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in a)
    crosses = "".join(f"M{x - 3:.0f} {y - 3:.0f}l6 6m0-6l-6 6" for x, y in b)
    return _svg(700, 300, f'<path class="dot" d="{dots}"/><path class="cross" d="{crosses}"/>')


def heat_map(names, values, scale):
    """Return a square of colours, one row and one column a name.

    Parameters
    ----------
    names : sequence of str
    values : ndarray of shape (n, n)
    scale : float
        The value of a full colour.
    """
    n, left = len(names), 104
    size = _CELL * n
    labels = "".join(
        f'<text x="{left - 4}" y="{_CELL * i + 11}" text-anchor="end">'
        f"{escape(shortened(name, 16))}</text>"
        for i, name in enumerate(names)
    )
    image = (
        f'<image x="{left}" y="0" width="{size}" height="{size}" preserveAspectRatio="none" '
        f'href="{pixels(diverging(values, scale))}"/>'
    )
    return _svg(left + size, max(size, _CELL), labels + image)


def score_bar(value, baseline):
    """Return a bar from 0 to 100 with a mark where real rows are; NaN for none."""
    bar = f'<rect class="score" width="{2 * value:.0f}" height="12" y="3"/>' * (value == value)
    mark = (
        f'<path class="tick" d="M{min(max(2 * baseline, 1), 199):.0f} 0v18"/>'
        if baseline == baseline
        else ""
    )
    return _svg(200, 18, f'<rect class="empty" width="200" height="12" y="3"/>{bar}{mark}')


def light(name):
    """Return the shape of a light: a disc, a triangle, a square or a ring."""
    shape = {
        "green": '<circle cx="16" cy="16" r="14"/><path class="in" d="M9 16l5 6 9-11"/>',
        "amber": '<path d="M16 2l15 28H1z"/><path class="in" d="M16 11v10m0 4v2"/>',
        "red": '<rect x="3" y="3" width="26" height="26"/>'
        '<path class="in" d="M10 10l12 12m0-12l-12 12"/>',
        "unknown": '<circle class="ring" cx="16" cy="16" r="13"/>'
        '<path class="mark" d="M12 12q1-4 4-4 4 0 4 4 0 3-4 5v2m0 4v1"/>',
    }[name]
    return f'<svg class="light {name}" viewBox="0 0 32 32" aria-hidden="true">{shape}</svg>'


def grey(image, low, high):
    """Return an image of shape (height, width) or (height, width, 3) as pixels of 8 bits."""
    image = np.nan_to_num((image - low) / ((high - low) or 1.0)).clip(0, 1) * 255
    return image.astype(np.uint8) if image.ndim == 3 else _stacked(image)


def diverging(values, scale):
    """Return numbers of shape (height, width) as colours, white at zero."""
    t = np.nan_to_num(values / scale).clip(-1, 1)[..., np.newaxis]
    return (255 + np.abs(t) * (np.where(t < 0, _NEGATIVE, _POSITIVE) - 255)).astype(np.uint8)


def pixels(colours):
    """Return the address of a PNG file that holds colours.

    Parameters
    ----------
    colours : ndarray of uint8 of shape (height, width, 3)

    Returns
    -------
    address : str
        The file itself, for ``src`` or ``href``.
    """

    def chunk(kind, data):
        end = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + end

    height, width, _ = colours.shape
    rows = b"".join(b"\0" + row.tobytes() for row in colours)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    png += chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return f"data:image/png;base64,{b64encode(png).decode('ascii')}"


def _stacked(image):
    return np.repeat(image.astype(np.uint8)[..., np.newaxis], 3, axis=2)


def _svg(width, height, content):
    size = f'viewBox="0 0 {width} {height}" style="max-width: {1.4 * width:.0f}px"'
    return f'<svg {size} role="img">{content}</svg>'


def _ticks(low, high):
    """Return round numbers between two values; the ends themselves may be those of a row."""
    least = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(least))
    step = next(n * power for n in (1, 2, 5, 10) if n * power >= least * (1 - 1e-9))
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step


def _number(value):
    return f"{value + 0.0:.12g}".replace("-", "−")
