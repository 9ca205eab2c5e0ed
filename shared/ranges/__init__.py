"""How a tenant is split into ranges, without IO."""
