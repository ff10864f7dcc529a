"""Execute a notebook on a fresh kernel of the running interpreter."""

import os
from pathlib import Path
from subprocess import DEVNULL

from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

CELL_SECONDS = 300


class CellFailed(Exception):
    """A cell raised, ran out of time, or took the kernel down; the message says which and where."""


class _ThisInterpreter(KernelSpecManager):
    """Finds one kernel only: the interpreter that runs this tool (what nbval's current-env does).

    A kernel called python3 may be installed for the user and point to another environment.
    """

    def get_kernel_spec(self, kernel_name):
        return self.kernel_spec_class(resource_dir=RESOURCES, **get_kernel_dict())


def execute(nb, root, name, timeout=CELL_SECONDS):
    """Execute `nb` in place, in the folder `notebooks/` of `root`, importing vae_lib from `root`.

    Raises CellFailed at the first cell that fails and is not tagged `raises-exception`.
    """
    root = Path(root).resolve()
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=_ThisInterpreter())
    client = NotebookClient(
        nb, km=manager, timeout=timeout, record_timing=False, store_widget_state=False
    )
    started = []
    client.on_cell_execute = lambda cell, cell_index: started.append(cell_index)
    folder = root / "notebooks"
    folder.mkdir(exist_ok=True)
    environment = dict(os.environ, PYTHONPATH=_path_with(root))
    environment.pop("MPLBACKEND", None)  # Agg, where a caller set it, would show no pictures
    try:
        # The client does not end a kernel manager that it was given, unless told to; the kernel's
        # own log (not the cells' stderr) is noise here.
        client.execute(cwd=str(folder), env=environment, cleanup_kc=True, stderr=DEVNULL)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise CellFailed(_report(nb, name, started[-1], error)) from None
    return nb


def _path_with(root):
    """PYTHONPATH with `root` first, so that the library that runs is the one that is stamped."""
    return os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))


def _report(nb, name, index, error):
    """One message: the notebook, the cell, its first lines, and what was raised."""
    first = "\n".join(f"    {line}" for line in nb.cells[index].source.splitlines()[:4])
    if isinstance(error, CellExecutionError):
        reason = f"{error.ename}: {error.evalue}"
    elif isinstance(error, CellTimeoutError):
        reason = "ran out of time"
    else:
        reason = "the kernel died"
    return f"{name}: cell {index + 1} failed: {reason}\n{first}"
