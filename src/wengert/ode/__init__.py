"""Ordinary differential equations: `solve_ivp`, SciPy's, differentiable."""

from .ivp import OdeResult as OdeResult, OdeSolution as OdeSolution, solve_ivp as solve_ivp
