"""Texts by which people have made pages of others act: each stands once as every name that a page shows."""

CORPUS = (
    '"><script>window.hacked=1</script>',
    "'><img src=x onerror=window.hacked=1>",
    "<svg/onload=window.hacked=1>",
    "</title><script>window.hacked=1</script>",
    "</textarea><script>window.hacked=1</script>",
    "--><script>window.hacked=1</script><!--",
    "javascript:window.hacked=1",
    "{{7*7}}${7*7}#{7*7}<%= 7*7 %>",
    "<iframe srcdoc='<script>parent.hacked=1</script>'>",
    "<a href=javascript:window.hacked=1 autofocus onfocus=window.hacked=1>x</a>",
    '" onmouseover="window.hacked=1" style="background:url(//evil.example)',
    "<base href=//evil.example/><meta http-equiv=refresh content=0;url=//evil.example>",
    "<math><mtext><style><img src=x onerror=window.hacked=1></style></mtext></math>",
    "\u202egnp.exe \u0000 \u2028 <b>bold</b>",
    "&lt;script&gt;window.hacked=1&lt;/script&gt;",
    "]]><script>window.hacked=1</script><![CDATA[",
)
