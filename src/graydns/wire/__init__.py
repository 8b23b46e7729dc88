"""The codec, stateless: bytes to Query, Answer to bytes, and the EDNS options between them."""
