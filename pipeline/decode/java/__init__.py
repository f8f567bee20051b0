"""Java application logs, by their Log4j or Logback layout. This package knows text only, no record and no mapping."""
