"""How frames are written: JSON, pictures, CBOR, fragments."""
