"""lxml parses, validates and transforms, by the libraries that it was built with."""

import pytest
from lxml import etree, html, objectify

SCHEMA = """\
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:element name="port">
    <xs:simpleType>
      <xs:restriction base="xs:unsignedShort"><xs:minInclusive value="1024"/></xs:restriction>
    </xs:simpleType>
  </xs:element>
</xs:schema>"""
GRAMMAR = """\
<element name="list" xmlns="http://relaxng.org/ns/structure/1.0">
  <oneOrMore><element name="item"><text/></element></oneOrMore>
</element>"""
STYLE = """\
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
    xmlns:math="http://exslt.org/math">
  <xsl:template match="list">
    <largest><xsl:value-of select="math:max(item)"/></largest>
  </xsl:template>
</xsl:stylesheet>"""
LIST = "<list><item>3</item><item>12</item><item>7</item></list>"


def test_the_libraries_are_those_of_the_recipes() -> None:
    assert etree.LIBXML_VERSION == etree.LIBXML_COMPILED_VERSION == (2, 9, 14)
    assert etree.LIBXSLT_VERSION == etree.LIBXSLT_COMPILED_VERSION == (1, 1, 35)


def test_parsing() -> None:
    root = etree.fromstring("<a xmlns='urn:x'><b/>\N{SNOWMAN}</a>".encode())
    assert root.xpath("count(//x:b)", namespaces={"x": "urn:x"}) == 1
    assert root[0].tail == "\N{SNOWMAN}"
    assert html.fromstring("<p>one<p>two").xpath("//p/text()") == ["one", "two"]
    assert objectify.fromstring(LIST).item[1] == 12
    with pytest.raises(etree.XMLSyntaxError, match="mismatch"):
        etree.fromstring("<a></b>")


def test_compressed_documents(tmp_path) -> None:
    etree.ElementTree(etree.fromstring(LIST)).write(tmp_path / "a.xml.gz", compression=9)
    assert (tmp_path / "a.xml.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert len(etree.parse(tmp_path / "a.xml.gz").getroot()) == 3


def test_xml_schema() -> None:
    schema = etree.XMLSchema(etree.fromstring(SCHEMA))
    assert schema.validate(etree.fromstring("<port>8080</port>"))
    assert not schema.validate(etree.fromstring("<port>80</port>"))


def test_relax_ng() -> None:
    grammar = etree.RelaxNG(etree.fromstring(GRAMMAR))
    assert grammar.validate(etree.fromstring(LIST))
    assert not grammar.validate(etree.fromstring("<list/>"))


def test_xslt() -> None:
    transform = etree.XSLT(etree.fromstring(STYLE))
    assert transform(etree.fromstring(LIST)).getroot().text == "12"
