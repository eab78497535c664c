"""Keys to import, made by ssh-keygen and openssl, and the fingerprints that these tools compute."""

import base64
import functools
import itertools
import pathlib
import subprocess
import tempfile
import threading

_lock = threading.RLock()
_numbers = itertools.count()
DIRECTORY = pathlib.Path(tempfile.mkdtemp(prefix="simulator-keys-"))


def run(*command: object, stdin: bytes | None = None) -> bytes:
    done = subprocess.run(
        [str(word) for word in command], input=stdin, capture_output=True, check=False, timeout=60
    )
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.stderr.decode()}")
    return done.stdout


def make(name: str, key_type: str, bits: int = 0) -> str:
    """The public line of a key that is made once; its private half is thrown away with the
    directory.
    """
    with _lock:
        return _make(name, key_type, bits)


@functools.cache
def _make(name: str, key_type: str, bits: int) -> str:
    path = DIRECTORY / name
    size = ["-b", bits] if bits else []
    run("ssh-keygen", "-q", "-t", key_type, *size, "-N", "", "-C", f"{name}@test", "-f", path)
    return path.with_suffix(".pub").read_text().strip()


def rsa() -> str:
    return make("rsa", "rsa", 2048)


def ed25519() -> str:
    return make("ed25519", "ed25519")


def certificate() -> str:
    """A certificate of a key of its own, signed by itself."""
    with _lock:
        return _certificate()


@functools.cache
def _certificate() -> str:
    make("signed", "ed25519")
    run(
        "ssh-keygen",
        "-q",
        "-s",
        DIRECTORY / "signed",
        "-I",
        "test",
        "-n",
        "admin",
        DIRECTORY / "signed.pub",
    )
    return (DIRECTORY / "signed-cert.pub").read_text().strip()


def write(name: str, text: str) -> pathlib.Path:
    path = DIRECTORY / f"{next(_numbers)}-{name}"
    path.touch(mode=0o600)
    path.write_text(text if text.endswith("\n") else text + "\n")
    return path


def blob(line: str) -> bytes:
    return base64.b64decode(line.split()[1])


def pem(line: str) -> str:
    """An RSA line as `BEGIN PUBLIC KEY`."""
    return run("ssh-keygen", "-e", "-m", "PKCS8", "-f", write("line.pub", line)).decode()


def rfc4716(line: str) -> str:
    return run("ssh-keygen", "-e", "-m", "RFC4716", "-f", write("line.pub", line)).decode()


def _openssl_hex(output: bytes) -> str:
    return output.decode().strip().rsplit("= ", 1)[1].lower()


def md5_of_spki(line: str) -> str:
    der = run("openssl", "pkey", "-pubin", "-outform", "DER", stdin=pem(line).encode())
    return _openssl_hex(run("openssl", "md5", "-c", stdin=der))


def md5_of_blob(line: str) -> str:
    shown = run("ssh-keygen", "-l", "-E", "md5", "-f", write("line.pub", line)).decode()
    return shown.split()[1].removeprefix("MD5:")


def sha1_of_private_key(private_key: str) -> str:
    der = run(
        "openssl", "pkcs8", "-nocrypt", "-topk8", "-outform", "DER", stdin=private_key.encode()
    )
    return _openssl_hex(run("openssl", "sha1", "-c", stdin=der))


def sha256(line: str) -> str:
    """As OpenSSH prints it."""
    return (
        run("ssh-keygen", "-l", "-E", "sha256", "-f", write("line.pub", line)).decode().split()[1]
    )


def sha256_padded(line: str) -> str:
    digest = run("openssl", "dgst", "-sha256", "-binary", stdin=blob(line))
    return run("openssl", "base64", "-A", stdin=digest).decode()


def public_of(private_key: str) -> str:
    """The public line of a private key, without a comment."""
    return " ".join(
        run("ssh-keygen", "-y", "-f", write("private", private_key)).decode().split()[:2]
    )
