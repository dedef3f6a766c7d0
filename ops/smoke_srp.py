"""Secure Remote Password as Cognito speaks it (SRP-6a, RFC 5054's 3072-bit group, SHA-256): a proof that one knows a
password. The page's own is app/frontend/src/lib/srp.ts; both are held against the same numbers of Amazon's library."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

N = int(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd"
    "ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed"
    "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f"
    "83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b"
    "e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510"
    "15728e5a8aaac42dad33170d04507a33a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7db3970f85a6e1e4c7"
    "abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864d87602733ec86a64521f2b18177b200c"
    "bbe117577a615d6c770988c0bad946e208e24fa074e5ab3143db5bfce0fd108e4b82d120a93ad2caffffffffffffffff",
    16,
)
G = 2
SECRET_BYTES = 128
KEY_BYTES = 16
INFO = b"Caldera Derived Key\x01"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Proof:
    """One sign-in: its secret number, and what is sent of it as SRP_A."""

    secret: int

    @classmethod
    def begin(cls) -> "Proof":
        """With a secret of its own."""
        return cls(int.from_bytes(secrets.token_bytes(SECRET_BYTES)))

    @property
    def sent(self) -> int:
        return pow(G, self.secret, N)

    def signature(self, pool_id: str, password: str, challenge: Mapping[str, str], timestamp: str) -> str:
        """PASSWORD_CLAIM_SIGNATURE for what Cognito answered. ValueError to a pool that would learn the password."""
        pool, user = pool_id.partition("_")[2], challenge["USER_ID_FOR_SRP"]
        key = self._session_key(
            int(challenge["SALT"], 16), int(challenge["SRP_B"], 16), f"{pool}{user}:{password}"
        )
        block = base64.b64decode(challenge["SECRET_BLOCK"])
        message = (pool + user).encode() + block + timestamp.encode()
        return base64.b64encode(_hmac(key, message)).decode()

    def _session_key(self, salt: int, theirs: int, identity: str) -> bytes:
        if theirs % N == 0:
            raise ValueError("the user pool sent a value that would give the password away")
        u = _hash_of(_padded(self.sent) + _padded(theirs))
        k = _hash_of(_padded(N) + _padded(G))
        x = _hash_of(_padded(salt) + hashlib.sha256(identity.encode()).digest())
        shared = pow((theirs - k * pow(G, x, N)) % N, self.secret + u * x, N)
        return _hmac(_hmac(_padded(u), _padded(shared)), INFO)[:KEY_BYTES]


def timestamp_of(moment: datetime) -> str:
    """As Cognito wants it, in English whatever the machine speaks: Sat Sep 5 01:02:03 UTC 2026."""
    day, month = DAYS[moment.weekday()], MONTHS[moment.month - 1]
    return f"{day} {month} {moment.day} {moment:%H:%M:%S} UTC {moment.year}"


def _padded(value: int) -> bytes:
    """Bytes of a number as Java's BigInteger has them, which Cognito uses: a zero before a set first bit."""
    return value.to_bytes(value.bit_length() // 8 + 1)


def _hash_of(data: bytes) -> int:
    return int.from_bytes(hashlib.sha256(data).digest())


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()
