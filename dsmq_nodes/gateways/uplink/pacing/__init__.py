"""How fast messages may go: pure, no network and no clock."""
