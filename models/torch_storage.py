"""The numbers of one torch storage inside a pickle, as torch's first file format holds them."""

import io
import pickletools
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

_PICKLES = 5  # magic number, version, machine, the storage's facts, its key
_MAX_OPCODES = 1000
_MAX_BYTES = 64 << 20
_COUNTS = ("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "INT", "LONG")


def read_storage(data: bytes) -> NDArray[Any]:
    """The storage's numbers [n]. ValueError where the bytes are not one."""
    if len(data) > _MAX_BYTES:
        raise ValueError(f"a tensor holds {len(data)} bytes")
    _check_counts(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch is phasing out the class that old files name
        try:
            storage = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            if not isinstance(storage, torch.TypedStorage):
                raise ValueError(f"a tensor's storage is {type(storage).__name__}")
            values: NDArray[Any] = np.array(torch.tensor(list(storage), dtype=storage.dtype))
        except Exception as error:  # torch reports broken bytes by many types; ours are these alone
            raise ValueError(f"a tensor's bytes are not readable ({type(error).__name__})") from None
    return values


def _check_counts(data: bytes) -> None:
    """torch allocates what a storage declares: refuse a declared length beyond the bytes there are."""
    stream = io.BytesIO(data)
    for pickle in range(_PICKLES):
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count > _MAX_OPCODES:
                raise ValueError("a tensor's description does not end")
            if pickle >= 3 and opcode.name in _COUNTS and not 0 <= int(argument or 0) <= len(data):
                raise ValueError(f"a tensor of {argument} numbers has {len(data)} bytes")
