"""What leaves the database: events written with their cause, in one transaction. `app.relay` carries them out."""
