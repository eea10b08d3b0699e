"""One file a format: bytes to a `VendorTest` in labctl's units, signs and cycles, with what was mapped."""
