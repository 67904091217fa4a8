"""`wallet serve` with bounds so low that tests reach them in no time: what happens at them is the same."""

import resource

from app import http_bounds
from app.api import bodies
from app.cli import main

FILES_AT_START = 64

http_bounds.CONNECTIONS_MAX = 80
http_bounds.TURNED_AWAY_MAX = 10
http_bounds.HEAD_SECONDS = 2
http_bounds.IDLE_SECONDS = 1
http_bounds.LOOK_SECONDS = 1
http_bounds.ANSWER_SECONDS = 1
bodies.BODY_SECONDS = 1
bodies.LARGE_BYTES_MAX = 9 * 2**20

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_AT_START, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    main()
