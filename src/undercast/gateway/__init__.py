"""HTTP in and out: which service and operation, signatures, the AWS protocols, errors."""
