"""Where links, invitations and Twilio's webhooks answer."""

from __future__ import annotations

from django.urls import path

from notifications import invitation_views, staff_views, views, webhooks
from notifications.setup import views as setup

urlpatterns = [
    path("l/<str:token>/", views.link, name="link"),
    path("account/numbers/<int:pk>/confirm/", views.number_confirm, name="number_confirm"),
    path("invitations/<str:token>/", views.invitation, name="invitation"),
    path("messages/stop/<str:token>/", views.email_stop, name="email_stop"),
    path("messages/", staff_views.message_list, name="staff_messages"),
    path("messages/<uuid:pk>/", staff_views.message_page, name="staff_message"),
    path("messages/<uuid:pk>/again/", staff_views.message_again, name="staff_again"),
    path("messages/<uuid:pk>/told/", staff_views.message_told, name="staff_told"),
    path("twilio/status/<uuid:pk>/<int:attempt>/", webhooks.status, name="twilio_status"),
    path("twilio/inbound/", webhooks.inbound, name="twilio_inbound"),
    path("twilio/check/", webhooks.check, name="twilio_check"),
    path("messages/setup/", setup.page, name="message_setup"),
    path("manage/invitations/", invitation_views.invitation_list, name="manage_invitations"),
    path("manage/invitations/new/", invitation_views.invite, name="manage_invite"),
    path(
        "manage/invitations/<uuid:pk>/", invitation_views.invitation_page, name="manage_invitation"
    ),
    path(
        "manage/invitations/<uuid:pk>/withdraw/",
        invitation_views.withdraw,
        name="manage_invitation_withdraw",
    ),
    path(
        "manage/invitations/<uuid:pk>/again/",
        invitation_views.again,
        name="manage_invitation_again",
    ),
    path("messages/setup/<str:kind>/", setup.check, name="message_setup_check"),
]
