"""Option Greeks to second order: every sensitivity of 100,000 Black-Scholes calls, by nesting elementwise derivatives.

    python examples/black_scholes.py [picture.png]

The price is written once. Each Greek is a derivative of it, and is compared with its closed form.
"""

import sys
from pathlib import Path
from time import perf_counter

import numpy as np
from scipy.special import ndtr

import wengert as wg

S, K, T, R, SIGMA = range(5)  # spot, strike, years to maturity, interest rate, volatility


def price(s, k, t, r, sigma):
    """A European call (F. Black and M. Scholes, Journal of Political Economy 81, 1973); arrays of any shape."""
    root = sigma * np.sqrt(t)
    d1 = (np.log(s / k) + (r + sigma**2 / 2) * t) / root
    return s * ndtr(d1) - k * np.exp(-r * t) * ndtr(d1 - root)


def d(f, x):
    """The derivative of an elementwise function with respect to argument x."""
    return wg.elementwise_grad(f, x)


delta, vega = d(price, S), d(price, SIGMA)
GREEKS = {  # time to maturity falls as time passes: hence the signs of theta, charm and veta
    "delta": ("dV/dS", 1, delta),
    "vega": ("dV/dsigma", 1, vega),
    "theta": ("-dV/dT", -1, d(price, T)),
    "rho": ("dV/dr", 1, d(price, R)),
    "dual delta": ("dV/dK", 1, d(price, K)),
    "gamma": ("d2V/dS2", 1, d(delta, S)),
    "vanna": ("d2V/dS dsigma", 1, d(delta, SIGMA)),
    "charm": ("-d2V/dS dT", -1, d(delta, T)),
    "volga": ("d2V/dsigma2", 1, d(vega, SIGMA)),
    "veta": ("-d2V/dsigma dT", -1, d(vega, T)),
    "vera": ("d2V/dsigma dr", 1, d(vega, R)),
}


def closed_forms(s, k, t, r, sigma):
    """The same by hand (E. G. Haug, "The Complete Guide to Option Pricing Formulas", 2007)."""
    root = sigma * np.sqrt(t)
    d1 = (np.log(s / k) + (r + sigma**2 / 2) * t) / root
    d2, density, discounted = d1 - root, np.exp(-(d1**2) / 2) / np.sqrt(2 * np.pi), k * np.exp(-r * t)
    vega = s * density * np.sqrt(t)
    return {
        "delta": ndtr(d1),
        "vega": vega,
        "theta": -s * density * sigma / (2 * np.sqrt(t)) - r * discounted * ndtr(d2),
        "rho": t * discounted * ndtr(d2),
        "dual delta": -np.exp(-r * t) * ndtr(d2),
        "gamma": density / (s * root),
        "vanna": -density * d2 / sigma,
        "charm": -density * (2 * r * t - d2 * root) / (2 * t * root),
        "volga": vega * d1 * d2 / sigma,
        "veta": vega * (r * d1 / root - (1 + d1 * d2) / (2 * t)),
        "vera": -np.sqrt(t) * vega * d1 / sigma,
    }


def draw(path):
    """Each Greek of an at-the-money call over the spot price, for three maturities."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), layout="constrained")
    spot = np.linspace(60, 150, 181)
    for axes, (name, (formula, sign, greek)) in zip(figure.subplots(3, 4).flat, GREEKS.items(), strict=False):
        for years in (0.1, 0.5, 1.5):
            option = [np.full(spot.shape, x) for x in (100.0, years, 0.03, 0.25)]
            axes.plot(spot, sign * greek(spot, *option), label=f"{years} years")
        axes.set_title(f"{name}  {formula}", fontsize=9)
        axes.axvline(100, color="0.8", zorder=0)
    figure.axes[10].legend(fontsize=8)
    figure.axes[11].axis("off")
    figure.supxlabel("spot price; strike 100, rate 3 %, volatility 25 %")
    figure.savefig(path, dpi=120)
    print(f"\npicture: {path}")


def main():
    n, rng = 100_000, np.random.default_rng(0)
    options = [rng.uniform(*bounds, n) for bounds in ((60, 150), (80, 120), (0.1, 2), (0, 0.06), (0.1, 0.5))]
    exact = closed_forms(*options)
    print(f"{n:,} calls\n\n{'Greek':12}{'':18}{'mean':>12}{'largest error':>16}{'us per option':>16}")
    for name, (formula, sign, greek) in GREEKS.items():
        start = perf_counter()
        value = sign * greek(*options)
        seconds = perf_counter() - start
        error = np.max(np.abs(value - exact[name])) / np.max(np.abs(exact[name]))
        print(f"{name:12}{formula:18}{np.mean(value):12.5f}{error:16.1e}{1e6 * seconds / n:16.2f}")
        assert error < 1e-10, f"{name} differs from its closed form"
    try:
        draw(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_suffix(".png")))
    except ImportError:
        print("\nno picture: matplotlib is not installed")


if __name__ == "__main__":
    main()
