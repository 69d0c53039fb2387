"""Tokens that were made before there were scopes go on doing all they did."""

from __future__ import annotations

import importlib

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.models import ApiToken, Scope
from tests.cast import Cast


def test_a_token_of_the_version_before_keeps_its_rights(cast: Cast) -> None:
    token, secret = ApiToken.objects.create(cast.ana)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO knox_authtoken (digest, token_key, user_id, created, expiry) "
            "SELECT digest, token_key, user_id, created, expiry FROM accounts_apitoken"
        )
        token.delete()
        migration = importlib.import_module("accounts.migrations.0016_api_tokens")
        cursor.execute(migration._COPY, [migration.ALL])
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {secret}")
    assert client.get("/api/v1/cases").status_code == 200
    assert set(ApiToken.objects.get().scopes) == set(Scope)


@pytest.mark.django_db
def test_the_table_of_before_holds_on_to_nobody() -> None:
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, "knox_authtoken")
    assert not [one for one in constraints.values() if one["foreign_key"]]
