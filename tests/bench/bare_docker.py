"""What the lab is measured against: one network and two containers, made and removed with the Docker SDK alone, the
containers side by side. Nothing is run in them but a sleep, and nothing is looked at."""

import sys
from concurrent.futures import ThreadPoolExecutor

import docker


def main(image: str, subnet: str) -> None:
    """Up and down once, on a subnet that is free."""
    client = docker.from_env()
    pool = docker.types.IPAMPool(subnet=subnet)
    network = client.networks.create("lab-bench-bare", internal=True, ipam=docker.types.IPAMConfig(pool_configs=[pool]))
    try:
        with ThreadPoolExecutor(2) as both:
            containers = list(both.map(lambda _: _create(client, image, network.name), range(2)))
            list(both.map(lambda container: container.start(), containers))
            list(both.map(lambda container: container.remove(force=True), containers))
    finally:
        network.remove()
        client.close()


def _create(client, image, network):
    return client.containers.create(image, ["sleep", "60"], network=network, stdin_open=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
