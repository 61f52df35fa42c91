"""Where nouns and bytes are kept: one database with an audit chain, and one object store. Nothing above sees SQL."""
