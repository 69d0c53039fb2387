"""``{{ form }}`` and ``{{ field.as_field_group }}`` come out in our design, without asking."""

from __future__ import annotations

from django.forms.renderers import TemplatesSetting


class DesignRenderer(TemplatesSetting):
    form_template_name = "components/form.html"
    field_template_name = "components/field.html"
