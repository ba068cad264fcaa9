"""Pictures of charts, drawn in a child process."""

from service.charts.rendering.renderer import Picture, Renderer, RendererBusy, RenderingFailed

__all__ = ["Picture", "Renderer", "RendererBusy", "RenderingFailed"]
