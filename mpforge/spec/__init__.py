"""The spec: its vocabulary, its checks, and its options merged for one target.

``model`` has the types, ``load`` reads a text, ``options`` merges, ``placeholders`` tokenises,
``schema`` gives the JSON schema. pydantic is imported by those modules, never by importing this
package. The package knows nothing of hosts, locks, files or plans.
"""
