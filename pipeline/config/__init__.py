"""The source file: models, loading, cross checks and warnings. It connects to nothing and knows no running job."""
