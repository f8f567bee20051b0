"""Java application logs, by their Log4j or Logback layout."""
