"""The command line: `python -m benchmarks overhead`."""

import argparse
import importlib
import os

BENCHMARKS = {  # module of this package -> what it measures; a module has `add_options(parser)` and `run(options)`
    "overhead": "the cost of recording and walking the graph, beside hand-written NumPy and other libraries",
    "epoch": "an epoch of Fashion-MNIST beside PyTorch",
    "training": "a whole training step of five networks beside PyTorch",
    "compile": "compiled functions beside PyTorch, torch.compile and jax.jit",
    "ulp": "the accuracy of the compiler's functions",
    "view": "pages of graphs in a browser: size, time until usable, time of a frame",
}


def main() -> None:
    """Run the benchmark that the command line names."""
    early = argparse.ArgumentParser(add_help=False)
    early.add_argument("--threads", type=int, default=1, help="threads of BLAS and of PyTorch (default: 1)")
    threads = early.parse_known_args()[0].threads
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[name] = str(threads)  # BLAS reads them when NumPy is first imported, which the modules below do
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measurements beside other libraries.")
    commands = parser.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    for name, text in BENCHMARKS.items():
        module = importlib.import_module(f"benchmarks.{name}")
        command = commands.add_parser(name, help=text, description=module.__doc__, parents=[early])
        module.add_options(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
