"""The window of `fastatari view`, by pygame."""

import importlib
import os
import warnings
from typing import Any, Self

from PIL import Image

from fastatari.cli.failures import CommandError


class Window:
    """A window that shows pictures at a rate, and may be closed by the user.

    Args:
        title (str): the window's.
        rate (int): how many pictures are shown a second.

    Raises:
        CommandError: pygame is not installed, or there is no display.
    """

    def __init__(self, title: str, rate: int) -> None:
        self._pygame = _load_pygame()
        self._rate = rate
        self._surface: Any = None
        try:
            self._pygame.display.init()
            if self._pygame.display.get_driver() in {"offscreen", "evdev"}:  # which SDL takes if there is nothing else
                raise self._pygame.error("SDL found none")
            self._pygame.display.set_caption(title)
        except self._pygame.error as error:
            self._pygame.quit()
            raise CommandError(f"--window needs a display: {error}; --out writes files without one") from error
        self._clock = self._pygame.time.Clock()

    def show(self, picture: Image.Image) -> bool:
        """Show a picture until it is time for the next one; return whether the window is still open.

        Raises:
            CommandError: the window cannot be opened.
        """
        pygame = self._pygame
        try:
            if self._surface is None:
                self._surface = pygame.display.set_mode(picture.size)
            self._surface.blit(pygame.image.frombuffer(picture.tobytes(), picture.size, "RGB"), (0, 0))
            pygame.display.flip()
        except pygame.error as error:
            raise CommandError(f"the window cannot be shown: {error}") from error
        self._clock.tick(self._rate)
        return not any(
            event.type == pygame.QUIT or (event.type == pygame.KEYDOWN and event.key in {pygame.K_ESCAPE, pygame.K_q})
            for event in pygame.event.get()
        )

    def close(self) -> None:
        """Close the window."""
        self._pygame.quit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _load_pygame() -> Any:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it imports
            return importlib.import_module("pygame")
    except ImportError as error:
        text = '--window needs pygame; it comes with: pip install "fastatari[view]"; --out does not need it'
        raise CommandError(text) from error
