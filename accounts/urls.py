"""The account page and what one can do on it."""

from __future__ import annotations

from django.urls import path

from accounts import care_views, views

urlpatterns = [
    path("language/", views.language, name="language"),
    path("account/", views.account, name="account"),
    path("account/numbers/", views.number_add, name="account_number_add"),
    path("account/numbers/<int:pk>/", views.number_change, name="account_number"),
    path("account/reminders/<str:kind>/", views.reminder_change, name="account_reminder"),
    path("account/people/", care_views.person_add, name="person_add"),
    path("account/people/<int:pk>/", care_views.person_page, name="person"),
    path("account/log-out-everywhere/", views.log_out_everywhere, name="account_end_sessions"),
]
