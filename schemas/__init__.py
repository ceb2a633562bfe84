"""The contracts of job-status: Avro schemas, mapping tables, manifests, errors."""
