"""What the service is compared with, and how."""
