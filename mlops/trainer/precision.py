"""Which number format a device computes in."""

from contextlib import AbstractContextManager

import torch


def supports_bf16(device: torch.device) -> bool:
    """Tell whether bf16 matrix products are native: Ampere and later GPUs, CPUs with AVX-512 BF16 or AMX."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return torch.cpu._is_avx512_bf16_supported()  # noqa: SLF001 (it has no public name yet)


def autocast(device: torch.device) -> AbstractContextManager[None]:
    """Compute matrix products in bf16 where the device has it, else in fp32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=supports_bf16(device))
