"""libnftables in this process (libnftables(3)): a transaction takes about a millisecond.

Where the library cannot be loaded, the `nft` command does the same in its own process.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import shutil
import subprocess
import threading

_TIMEOUT_S = 20
_HANDLES, _AS_JSON = 1 << 3, 1 << 4  # NFT_CTX_OUTPUT_HANDLE, NFT_CTX_OUTPUT_JSON


class FilterError(Exception):
    """The kernel or the library refused a script; the message is theirs."""


class Nftables:
    """Runs scripts in nft(8)'s language, each as one transaction. Safe to use from any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._library = _load()
        self._context: int | None = None
        if self._library is not None:
            self._context = self._library.nft_ctx_new(0)
            self._library.nft_ctx_buffer_output(self._context)
            self._library.nft_ctx_buffer_error(self._context)

    @staticmethod
    def missing() -> str | None:
        """What to install when there is neither the library nor the command, else None."""
        if _load() is not None or shutil.which("nft"):
            return None
        return "the packet filter is not installed: run `apt-get install nftables`"

    def run(self, script: str, *, as_json: bool = False) -> str:
        """Run the script whole or not at all, and return what it prints. Raises `FilterError`."""
        if self._library is None or self._context is None:
            return self._command(script, as_json)
        with self._guard:
            self._library.nft_ctx_output_set_flags(self._context, _AS_JSON | _HANDLES if as_json else 0)
            status = self._library.nft_run_cmd_from_buffer(self._context, script.encode())
            output = self._library.nft_ctx_get_output_buffer(self._context) or b""
            error = self._library.nft_ctx_get_error_buffer(self._context) or b""
        if status != 0:
            raise FilterError(error.decode(errors="replace").strip() or "nftables refused the rules")
        return str(output.decode(errors="replace"))

    def close(self) -> None:
        """Free the library's context."""
        with self._guard:
            if self._library is not None and self._context is not None:
                self._library.nft_ctx_free(self._context)
            self._context = None

    @staticmethod
    def _command(script: str, as_json: bool) -> str:
        try:
            done = subprocess.run(
                ["nft", *(["-j", "-a"] if as_json else []), *(script.split() if as_json else ["-f", "-"])],
                input="" if as_json else script,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise FilterError(f"nft did not run: {error}") from error
        if done.returncode != 0:
            raise FilterError(done.stderr.strip() or "nftables refused the rules")
        return done.stdout


def _load() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libnftables.so.1")
    except OSError:
        return None
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    library.nft_ctx_free.argtypes = [ctypes.c_void_p]
    library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    library.nft_ctx_output_set_flags.restype = None
    library.nft_ctx_buffer_output.argtypes = [ctypes.c_void_p]
    library.nft_ctx_buffer_error.argtypes = [ctypes.c_void_p]
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.nft_run_cmd_from_buffer.restype = ctypes.c_int
    library.nft_ctx_get_output_buffer.argtypes = [ctypes.c_void_p]
    library.nft_ctx_get_output_buffer.restype = ctypes.c_char_p
    library.nft_ctx_get_error_buffer.argtypes = [ctypes.c_void_p]
    library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
    return library
