"""The terminal itself: driver, device, and thrift on a slow link."""
