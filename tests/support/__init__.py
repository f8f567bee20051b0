"""What tests of several rooms share. It holds no test."""
