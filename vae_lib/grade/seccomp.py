"""The system calls that the sandbox refuses: new processes, namespaces, memory beyond the limits.

bubblewrap hands the filter to the kernel.  It is a classic BPF program (`man 2 seccomp`), one
8-byte instruction a step.  A limit on processes (RLIMIT_NPROC) would not do: it does not bind
root, and counts every process of the teacher.
"""

import platform
import struct

# The kernel's name of the processor (AUDIT_ARCH_...), and the numbers of the calls there.
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_REFUSED = {
    "fork": (57, None),
    "vfork": (58, None),
    "ptrace": (101, 117),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "memfd_create": (319, 279),
    "shmget": (29, 194),
    "open_by_handle_at": (304, 265),
}
_CLONE = (56, 220)
_CLONE3, _X32, _CLONE_THREAD = 435, 0x40000000, 0x00010000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_EPERM, _ENOSYS = 0x00050000 | 1, 0x00050000 | 38


def program(machine=None):
    """The filter as bytes: no new process, but threads.  Raises LookupError on other processors.

    machine: as `platform.machine()` says it.
    """
    machine = platform.machine() if machine is None else machine
    if machine not in _ARCHITECTURES:
        raise LookupError(f"no table of system calls for the processor {machine}")
    column = list(_ARCHITECTURES).index(machine)
    steps = [(_LOAD, 0, 0, _ARCHITECTURE)]
    steps += [(_EQUAL, 1, 0, _ARCHITECTURES[machine]), (_RETURN, 0, 0, _KILL)]
    steps += [(_LOAD, 0, 0, _NUMBER)]
    steps += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _EPERM)]
    # glibc falls back to clone, whose flags can be read here, when clone3 does not exist.
    steps += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ENOSYS)]
    for numbers in _REFUSED.values():
        if numbers[column] is not None:
            steps += [(_EQUAL, 0, 1, numbers[column]), (_RETURN, 0, 0, _EPERM)]
    steps += [(_EQUAL, 1, 0, _CLONE[column]), (_RETURN, 0, 0, _ALLOW)]
    steps += [(_LOAD, 0, 0, _FIRST_ARGUMENT), (_ANY_BIT, 0, 1, _CLONE_THREAD)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _EPERM)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
