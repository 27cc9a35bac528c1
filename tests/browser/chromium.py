"""A headless Chromium, driven by Selenium: opened as somebody would, and asked for facts about what it shows."""

import json
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

DESKTOP, PHONE, SMALLEST = (1920, 1080), (390, 844), (360, 640)


class Browser:
    """`open` a page in a window of some size, then ask; `keys` are pressed where the focus is."""

    def __init__(self, browser: str, driver: str) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        # it opens nothing but the project's own page; containers often allow no sandbox and have little shared memory
        for argument in ("--headless=new", "--hide-scrollbars", "--no-sandbox", "--disable-dev-shm-usage"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(driver))

    def quit(self) -> None:
        self.driver.quit()

    def reset(self) -> None:
        """Forget what the test before asked for."""
        self._command("Emulation.setScriptExecutionDisabled", value=False)
        self._command("Emulation.setEmulatedMedia", media="", features=[])
        self.driver.get("about:blank")
        self.complaints()
        self.requests()

    def open(
        self, address: str, size: tuple[int, int] = DESKTOP, script: bool = True, media: str = "", **features: str
    ) -> None:
        """`features` are of the media query: prefers_color_scheme="dark"."""
        width, height = size
        self._command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        wanted = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self._command("Emulation.setEmulatedMedia", media=media, features=wanted)
        self._command("Emulation.setScriptExecutionDisabled", value=not script)
        self.driver.get(address)

    def ask(self, script: str, *arguments: object) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def keys(self, *keys: str) -> None:
        """Press them, one after the other."""
        ActionChains(self.driver).send_keys(*(getattr(Keys, key, key) for key in keys)).perform()

    def point(self, element: WebElement) -> None:
        """Move the mouse there."""
        ActionChains(self.driver).move_to_element(element).perform()

    def style(self, element: WebElement, name: str) -> str:
        return str(element.value_of_css_property(name))

    def complaints(self) -> list[str]:
        """What the console said since the last time."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """What was asked for since the last time, from whomever."""
        said = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [each["params"]["request"]["url"] for each in said if each["method"] == "Network.requestWillBeSent"]

    def _command(self, name: str, **parameters: object) -> None:
        self.driver.execute_cdp_cmd(name, parameters)
