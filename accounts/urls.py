"""The account page and what one can do on it."""

from __future__ import annotations

from django.urls import path

from accounts import (
    care_views,
    clinic_views,
    people_views,
    signup_views,
    token_views,
    views,
)

urlpatterns = [
    path("language/", views.language, name="language"),
    path("accounts/signup/code/", signup_views.signup_code, name="account_signup_code"),
    path("account/", views.account, name="account"),
    path("account/numbers/", views.number_add, name="account_number_add"),
    path("account/numbers/<int:pk>/", views.number_change, name="account_number"),
    path("account/reminders/<str:kind>/", views.reminder_change, name="account_reminder"),
    path("account/people/", care_views.person_add, name="person_add"),
    path("account/people/<int:pk>/", care_views.person_page, name="person"),
    path("account/tokens/", token_views.token_list, name="account_tokens"),
    path("account/tokens/<uuid:token>/", token_views.token_end, name="account_token"),
    path("account/log-out-everywhere/", views.log_out_everywhere, name="account_end_sessions"),
    path("account/sessions/<int:pk>/", views.session_end, name="account_session_end"),
    path("manage/people/", people_views.people_list, name="manage_people"),
    path("manage/people/<int:pk>/", people_views.person_page, name="manage_person"),
    path("manage/people/<int:pk>/<slug:name>/", people_views.deed_page, name="manage_deed"),
    path("manage/clinics/", clinic_views.clinic_list, name="manage_clinics"),
    path("manage/clinics/new/", clinic_views.clinic_new, name="manage_clinic_new"),
    path("manage/clinics/<int:pk>/", clinic_views.clinic_page, name="manage_clinic"),
]
