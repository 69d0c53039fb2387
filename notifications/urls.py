"""Where links, invitations and Twilio's webhooks answer."""

from __future__ import annotations

from django.urls import path

from notifications import views, webhooks
from notifications.setup import views as setup

urlpatterns = [
    path("l/<str:token>/", views.link, name="link"),
    path("account/numbers/<int:pk>/confirm/", views.number_confirm, name="number_confirm"),
    path("invitations/<str:token>/", views.invitation, name="invitation"),
    path("twilio/status/<uuid:pk>/<int:attempt>/", webhooks.status, name="twilio_status"),
    path("twilio/inbound/", webhooks.inbound, name="twilio_inbound"),
    path("twilio/check/", webhooks.check, name="twilio_check"),
    path("staff/messages/setup/", setup.page, name="message_setup"),
    path("staff/messages/setup/<str:kind>/", setup.check, name="message_setup_check"),
]
