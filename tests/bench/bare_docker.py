"""What the lab is measured against: one network and two containers on it, made and removed with the Docker SDK alone,
the containers side by side. The image is given; nothing is run in it but a sleep."""

import sys
from concurrent.futures import ThreadPoolExecutor

import docker


def main(image: str, subnet: str) -> None:
    client = docker.from_env()
    pool = docker.types.IPAMPool(subnet=subnet)
    network = client.networks.create("lab-bench-bare", internal=True, ipam=docker.types.IPAMConfig(pool_configs=[pool]))
    try:
        with ThreadPoolExecutor(2) as both:
            make = lambda _: client.containers.create(image, ["sleep", "60"], network=network.name, stdin_open=True)  # noqa: E731
            containers = list(both.map(make, range(2)))
            list(both.map(lambda container: container.start(), containers))
            list(both.map(lambda container: container.remove(force=True), containers))
    finally:
        network.remove()
    client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
