"""What `mien bench` measures: each module has one function that returns rows."""
