"""WATCH: metrics, alerts, dashboards as code, baseline exports."""
