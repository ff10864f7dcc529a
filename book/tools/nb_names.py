"""Which names a cell binds and which it uses, so that a copy without solutions still runs."""

import symtable

from nb_source import python_source


def bound_and_used(source):
    """(names bound at the top level, global names used anywhere) of one cell's source.

    A cell that does not parse (meant to fail) binds and uses nothing.
    """
    try:
        top = symtable.symtable(python_source(source), "cell", "exec")
    except SyntaxError:
        return set(), set()
    symbols = top.get_symbols()
    bound = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
    used = {s.get_name() for s in symbols if s.is_referenced()}
    waiting = list(top.get_children())
    while waiting:
        table = waiting.pop()
        symbols = table.get_symbols()
        used |= {s.get_name() for s in symbols if s.is_global() and s.is_referenced()}
        waiting += table.get_children()
    return bound, used


def orphans(cells, removed):
    """[(index, name)]: kept code cells that use a name which only removed cells bind before.

    cells: of a notebook, in order.  removed: the indices of those that a student copy lacks.
    """
    kept_names, removed_names, found = set(), set(), []
    for index, cell in enumerate(cells):
        if cell.cell_type != "code":
            continue
        bound, used = bound_and_used(cell.source)
        if index in removed:
            removed_names |= bound
            continue
        missing = (used - bound - kept_names) & removed_names
        found += [(index, name) for name in sorted(missing)]
        kept_names |= bound
    return found
