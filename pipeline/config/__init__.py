"""The source file: models, loading, cross checks and warnings. It opens no connection and imports no running job."""
