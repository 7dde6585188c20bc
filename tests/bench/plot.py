"""Small line charts side by side, logarithmic both ways, as SVG: a slope of one is linear growth."""
import math

W, H, PAD = 360, 250, 52
COLORS = {"cpu": ("#1b6ca8", "CPU ms"), "all50": ("#c0392b", "whole message p50 ms")}


def chart(x0, title, rows):
    xs = [r["at"] for r in rows]
    values = [max(r[f], 1e-3) for r in rows for f in COLORS]
    lo_x, hi_x = math.log10(min(xs)), math.log10(max(xs))
    lo_y, hi_y = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    px = lambda x: x0 + PAD + (math.log10(x) - lo_x) / (hi_x - lo_x) * (W - PAD - 20)
    py = lambda y: H - 40 - (math.log10(max(y, 1e-3)) - lo_y) / max(1, hi_y - lo_y) * (H - 80)
    out = ['<text x="%d" y="22" font-size="15" font-weight="bold">%s</text>' % (x0 + PAD, title)]
    for e in range(lo_y, hi_y + 1):
        out.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%g</text>' % (
            x0 + PAD, x0 + W - 20, py(10 ** e), py(10 ** e), x0 + PAD - 6, py(10 ** e) + 4, 10 ** e))
    for i, x in enumerate(xs):
        if i % 2 == 0 or i == len(xs) - 1 and len(xs) % 2 == 1:
            out.append('<text x="%.1f" y="%d" text-anchor="middle">%g</text>' % (px(x), H - 22, x))
    slope = [(xs[0], rows[0]["cpu"]), (xs[-1], rows[0]["cpu"] * xs[-1] / xs[0])]
    if slope[1][1] > 10 ** hi_y:
        slope[1] = (xs[0] * 10 ** hi_y / slope[0][1], 10 ** hi_y)
    out.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#999" stroke-dasharray="4 4"/>' % (
        px(slope[0][0]), py(slope[0][1]), px(slope[1][0]), py(slope[1][1])))
    for field, (color, _) in COLORS.items():
        points = " ".join("%.1f,%.1f" % (px(r["at"]), py(r[field])) for r in rows)
        out.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>' % (points, color))
        out += ['<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (px(r["at"]), py(r[field]), color) for r in rows]
    return out


def draw(path, rows):
    series = list(dict.fromkeys(r["series"] for r in rows))
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">' % (W * len(series), H + 30),
           '<rect width="100%" height="100%" fill="white"/>']
    for i, s in enumerate(series):
        out += chart(i * W, s, [r for r in rows if r["series"] == s])
    x = PAD
    for color, label in COLORS.values():
        out.append('<rect x="%d" y="%d" width="14" height="4" fill="%s"/><text x="%d" y="%d">%s</text>' % (x, H + 8, color, x + 20, H + 14, label))
        x += 200
    out.append('<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="#999" stroke-dasharray="4 4"/><text x="%d" y="%d">linear growth</text></svg>' % (
        x, x + 30, H + 10, H + 10, x + 38, H + 14))
    open(path, "w").write("\n".join(out))
