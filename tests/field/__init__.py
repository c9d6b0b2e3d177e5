"""Faults that users of such tools meet, by kind; each test says what a user was doing."""
