"""Orbital transfer by shooting: the way from the Earth's orbit to that of Mars, and what it costs to be off.

In units of astronomical units and years the Sun's gravity is mu = 4 pi^2. A probe leaves the circle of radius 1 at
angle 0, and has to be on the circle of radius R at a given angle after a given time. The velocity that brings it there
is the root of "where it ends, minus where it should end": `wg.implicit.root`, with an integrator inside.
The cost of the transfer is

    dv = |v(0) - v of the first circle| + |v(T) - v of the second circle|.

Derivatives of dv go *through the root*: by the implicit function theorem, not through the solver's iterations. With
them `wg.minimize` finds the best time and angle. It has to find Hohmann's ellipse of 1925, whose cost and derivative
by R are known in closed form.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import wengert as wg

MU = 4 * np.pi**2
KM_PER_S = 4.740471  # one astronomical unit per year
STEPS = 40
MARS = 1.5237


def pull(position):
    """The acceleration by the Sun."""
    return position * (-MU * np.sum(position**2) ** -1.5)


def fly(velocity, time):
    """Positions and velocities on the way, by Nystrom's method of fourth order (Hairer, Norsett, Wanner, II.14)."""
    r, v, h = np.array([1.0, 0.0]), velocity, time / STEPS
    path = [(r, v)]
    for _ in range(STEPS):
        a = pull(r)
        b = pull(r + h / 2 * v + h**2 / 8 * a)
        c = pull(r + h * v + h**2 / 2 * b)
        r = r + h * v + h**2 / 6 * (a + 2 * b)
        v = v + h / 6 * (a + 4 * b + c)
        path.append((r, v))
    return path


def polar(r, angle):
    return r * np.stack([np.cos(angle), np.sin(angle)])


def departure(time, angle, radius):
    """The velocity at the start that leads to (radius, angle) after `time`: two equations, two unknowns."""

    def miss(velocity):
        return fly(velocity, time)[-1][0] - polar(radius, angle)

    return wg.implicit.root(miss, np.array([0.0, 7.0])).x


def delta_v(plan, radius):
    """The cost of a transfer, for a plan with its time and angle."""
    v0 = departure(plan["time"], plan["angle"], radius)
    v1 = fly(v0, plan["time"])[-1][1]
    circle0 = np.array([0.0, np.sqrt(MU)])
    circle1 = np.sqrt(MU / radius) * polar(1.0, plan["angle"] + np.pi / 2)
    return KM_PER_S * (np.sqrt(np.sum((v0 - circle0) ** 2)) + np.sqrt(np.sum((v1 - circle1) ** 2)))


def hohmann(radius):
    """The same for half an ellipse between the circles."""
    first = np.sqrt(MU) * (np.sqrt(2 * radius / (1 + radius)) - 1)
    return KM_PER_S * (first + np.sqrt(MU / radius) * (1 - np.sqrt(2 / (1 + radius))))


def main() -> None:
    print("Transfers from 1 au to 1.5237 au through 150 degrees\n")
    print("  days    dv km/s   d(dv)/d(time)  d(dv)/d(angle)  d(dv)/d(radius)")
    for days in (160, 200, 240, 280):
        plan = {"time": days / 365.25, "angle": np.deg2rad(150.0)}
        value, (by_plan, by_radius) = wg.value_and_grad(delta_v, argnums=(0, 1))(plan, MARS)
        by_day, by_degree = by_plan["time"] / 365.25, np.deg2rad(by_plan["angle"])
        print(f"  {days:4d}  {value:9.4f}  {by_day:10.4f} /d  {by_degree:11.4f} /deg  {by_radius:11.4f} /au")

    best = wg.minimize(delta_v, {"time": 0.65, "angle": 2.7}, args=(MARS,), method="BFGS", tol=1e-5)
    plan = best.x
    slope = wg.grad(delta_v, argnums=1)(plan, MARS)
    bend = wg.grad(lambda t: wg.grad(lambda t: delta_v({**plan, "time": t}, MARS))(t))(plan["time"])
    half_ellipse = np.sqrt(((1 + MARS) / 2) ** 3) / 2 * 365.25
    print("\nThe best transfer                found        Hohmann")
    print(f"  time, days                {plan['time'] * 365.25:11.4f}  {half_ellipse:13.4f}")
    print(f"  angle, degrees            {np.rad2deg(plan['angle']):11.4f}  {180.0:13.4f}")
    print(f"  dv, km/s                  {best.fun:11.6f}  {hohmann(MARS):13.6f}")
    print(f"  d(dv)/d(radius), /au      {slope:11.6f}  {wg.grad(hohmann)(MARS):13.6f}")
    late = 1000 * bend / 2 * (7 / 365.25) ** 2
    print(f"\nA week late at the same angle costs about {late:.1f} m/s more (second order).")
    draw(plan)


def draw(plan) -> None:
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
    turn = np.linspace(0, 2 * np.pi, 200)
    for radius, name in ((1.0, "Earth"), (MARS, "Mars")):
        axes.plot(*polar(radius, turn), lw=0.8, label=name)
    path = fly(departure(plan["time"], plan["angle"], MARS), plan["time"])
    axes.plot(*np.array([r for r, _ in path]).T, "k", label="transfer")
    axes.plot(0, 0, "o", color="orange")
    axes.set(aspect="equal", xlabel="au", ylabel="au")
    axes.legend(loc="upper right")
    picture = Path(__file__).with_suffix(".png")
    figure.savefig(picture, dpi=120)
    print(f"\nwrote {picture.name}")


if __name__ == "__main__":
    main()
