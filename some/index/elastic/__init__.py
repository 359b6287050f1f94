"""The engine at scale: Elasticsearch 8.19 and 9.x. The only place that speaks to it.

transport  one client for two major versions
"""
